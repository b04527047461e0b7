-- id, generation, epoch, seq -> whether it is a position of this session's mailbox
local id, epoch, seq = ARGV[2], ARGV[4], tonumber(ARGV[5])
if refusal(load_record(id), tonumber(ARGV[3])) then return answer('ok', false) end
if epoch == '' and seq == 0 then return answer('ok', true) end
local box = call('HMGET', SESSION .. id, 'epoch', 'head', 'acked')
if epoch ~= whole_epoch(box[1]) or seq < 0 or seq > tonumber(box[2]) then return answer('ok', false) end
if seq > tonumber(box[3]) then
  call('HSET', SESSION .. id, 'acked', seq)
  call('XTRIM', MESSAGES .. id, 'MINID', (seq + 1) .. '-0')
end
return answer('ok', true)
