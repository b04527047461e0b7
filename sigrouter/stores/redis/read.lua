-- kind (session or room), id, epoch, seq, limit -> backlog
local id, epoch, seq, limit = ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
if ARGV[2] == 'session' then
  local box = call('HMGET', SESSION .. id, 'epoch', 'head', 'state')
  if not box[1] or box[3] == 'ended' then return answer('not_found') end
  return answer('ok', read_log(MESSAGES .. id, whole_epoch(box[1]), tonumber(box[2]), epoch, seq, limit))
end
local log = call('HMGET', ROOM .. id .. ROOM_LOG_SUFFIX, 'epoch', 'head')
if not log[1] then return answer('not_found') end
local stream = ROOM .. id .. ROOM_MESSAGES_SUFFIX
return answer('ok', read_log(stream, whole_epoch(log[1]), tonumber(log[2]), epoch, seq, limit))
