-- id -> {abilities, capacity, load, state, node}, or false
local worker = call('HMGET', WORKER .. ARGV[2], 'abilities', 'capacity', 'load')
if not worker[1] then return answer('ok', false) end
local place = call('HMGET', SESSION .. ARGV[2], 'state', 'pod_id')
return answer('ok', {worker[1], tonumber(worker[2]), tonumber(worker[3]), place[1] or 'ended',
  place[1] == 'connected' and place[2] or ''})
