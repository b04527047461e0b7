-- id, user, role, generation -> record, next generation
local id, generation = ARGV[2], tonumber(ARGV[5])
local record = load_record(id)
if not record then return answer('unknown') end
if record[STATE] == 'ended' then return answer('revoked') end
if ARGV[3] ~= record[USER_ID] or ARGV[4] ~= record[ROLE] then return answer('mismatch') end
local claimed = tonumber(record[CLAIMED])
if generation < 1 or (generation ~= claimed and generation ~= tonumber(record[GENERATION])) then
  return answer('superseded')
end
call('HSET', SESSION .. id, 'claimed', claimed + 1)
record[CLAIMED] = claimed + 1
return answer('ok', record, claimed + 1)
