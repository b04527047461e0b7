-- id, generation -> whether it was the session's connection
local id, generation = ARGV[2], tonumber(ARGV[3])
local record = load_record(id)
if not record or record[STATE] ~= 'connected' or tonumber(record[GENERATION]) ~= generation then
  return answer('ok', false)
end
to_away(id, record)
return answer('ok', true)
