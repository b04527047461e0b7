-- id, stack, state, url, sessions, started_at
local id, key = ARGV[2], NODE .. ARGV[2]
local until_at = now + NODE_LEASE_S
local known = call('HMGET', key, 'state', 'lease_until')
call('HSET', key, 'stack', ARGV[3], 'state', ARGV[4], 'url', ARGV[5], 'sessions', ARGV[6], 'started_at', ARGV[7],
  'lease_until', exact(until_at))
call('EXPIRE', key, LIVE_TTL_S)
call('ZADD', NODES, exact(until_at), id)
if known[1] ~= ARGV[4] or tonumber(known[2]) <= now then tell(NODES_CHANNEL) end
return answer('ok')
