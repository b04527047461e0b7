-- How a session stands between its nodes: alive, away, and what expires with it.

local function set_deadline(id, at)
  call('HSET', SESSION .. id, 'expires_at', exact(at))
  call('ZADD', DEADLINES, exact(at), id)
end

-- The backstop for the case that no node is left to expire anything. Renewed when half of it is over: an EXPIRE is a
-- write, and this runs for every session with every keepalive.
local function renew(id)
  local left = call('TTL', SESSION .. id)
  if left >= 0 and left > LIVE_TTL_S / 2 then return end
  call('EXPIRE', SESSION .. id, LIVE_TTL_S)
  call('EXPIRE', MESSAGES .. id, LIVE_TTL_S)
  call('EXPIRE', SENT .. id, LIVE_TTL_S)
  call('EXPIRE', WORKER .. id, LIVE_TTL_S)
  call('EXPIRE', REQUEST .. id, LIVE_TTL_S)
  call('EXPIRE', PAIRS_OF .. id, LIVE_TTL_S)
  for _, pair_id in ipairs(call('ZRANGE', PAIRS_OF .. id, 0, -1)) do
    call('EXPIRE', PAIR .. pair_id, LIVE_TTL_S)
  end
end

-- Put the worker where the matching finds it: among the free ones if it is connected and has a slot, else nowhere.
local function place_worker(id)
  local worker = call('HMGET', WORKER .. id, 'capacity', 'load', 'turn', 'slot')
  if not worker[1] then return end
  if worker[4] then call('ZREM', WORKERS, worker[4]) end
  local capacity, load = tonumber(worker[1]), tonumber(worker[2])
  if load < capacity and call('HGET', SESSION .. id, 'state') == 'connected' then
    local slot = string.format('%016d:%s', tonumber(worker[3]), id)
    call('ZADD', WORKERS, exact(load / capacity), slot)
    call('HSET', WORKER .. id, 'slot', slot)
  end
end

-- The node does not have the session any more, for those who look for it there.
local function leave_node(id, record)
  call('SREM', NODE .. record[NODE_ID] .. NODE_SESSIONS_SUFFIX, id)
  local user_node = USER_NODE .. record[USER_ID] .. USER_NODE_SUFFIX
  if call('GET', user_node) == record[NODE_ID] then call('DEL', user_node) end
end

local function enter_node(id, user_id, node_id)
  call('SADD', NODE .. node_id .. NODE_SESSIONS_SUFFIX, id)
  call('SET', USER_NODE .. user_id .. USER_NODE_SUFFIX, node_id, 'EX', LIVE_TTL_S)
end

local function to_away(id, record)
  call('HSET', SESSION .. id, 'state', 'away')
  set_deadline(id, now + RECOVERY_WINDOW_S)
  leave_node(id, record)
  place_worker(id)
end

-- The pairs as this end sees them: {pair_id, peer id, its user, its state, its node while it is connected}.
local function pair_views(id)
  local views = {}
  for index, pair_id in ipairs(call('ZRANGE', PAIRS_OF .. id, 0, -1)) do
    local pair = call('HMGET', PAIR .. pair_id, 'client', 'client_user', 'worker', 'worker_user')
    local peer, user = pair[1], pair[2]
    if peer == id then peer, user = pair[3], pair[4] end
    if peer then
      local place = call('HMGET', SESSION .. peer, 'state', 'pod_id')
      local node_id = place[1] == 'connected' and place[2] or ''
      views[#views + 1] = {pair_id, peer, user, place[1] or 'ended', node_id}
    end
  end
  return views
end
