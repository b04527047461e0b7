-- id, kind, payload -> whether the session is connected
local place = call('HMGET', SESSION .. ARGV[2], 'state', 'pod_id')
if place[1] ~= 'connected' then return answer('ok', false) end
tell(NODE_CHANNEL .. place[2], 'notice', ARGV[2], ARGV[3], ARGV[4])
return answer('ok', true)
