-- -> {{id, stack, state, url, sessions, started_at, lease_until}, ...}
local living = {}
for _, id in ipairs(call('ZRANGEBYSCORE', NODES, '(' .. exact(now), '+inf')) do
  local node = call('HMGET', NODE .. id, 'stack', 'state', 'url', 'sessions', 'started_at', 'lease_until')
  if node[1] then living[#living + 1] = {id, unpack(node)} end
end
return answer('ok', living)
