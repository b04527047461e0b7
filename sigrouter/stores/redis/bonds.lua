-- How pairs come and go, and what both ends are told of it in their mailboxes.

local function tell_pair(reader, state, pair_id, peer, peer_user, reason)
  append(reader, cmsgpack.pack({'pair', '', pair_id, {
    state = state, pair_id = pair_id, peer_session_id = peer, peer_user_id = peer_user, reason = reason,
  }}))
end

local function leave_queue(id)
  call('DEL', REQUEST .. id)
  call('ZREM', QUEUE_DEADLINES, id)
  return call('ZREM', QUEUE, id) == 1
end

local function expire_request(id)
  if leave_queue(id) then tell_pair(id, 'expired', '', '', '', 'deadline') end
end

local function bind(client, worker, pair_id)
  local client_user = call('HGET', SESSION .. client, 'user_id')
  local worker_user = call('HGET', SESSION .. worker, 'user_id')
  call('HSET', PAIR .. pair_id, 'client', client, 'client_user', client_user, 'worker', worker, 'worker_user', worker_user)
  call('EXPIRE', PAIR .. pair_id, LIVE_TTL_S)
  local turn = call('INCR', TURN)
  for _, id in ipairs({client, worker}) do
    call('ZADD', PAIRS_OF .. id, turn, pair_id)
    call('EXPIRE', PAIRS_OF .. id, LIVE_TTL_S)
  end
  call('HINCRBY', WORKER .. worker, 'load', 1)
  call('HSET', WORKER .. worker, 'turn', turn)
  place_worker(worker)
  -- The worker first: it is to be there when the client hears of it.
  tell_pair(worker, 'paired', pair_id, client, client_user, '')
  tell_pair(client, 'paired', pair_id, worker, worker_user, '')
  return {pair_id, client, worker}
end

-- Undo the pair and tell the end that did not leave. False if there is no such pair of it.
local function dissolve(pair_id, leaver, state, reason)
  local pair = call('HMGET', PAIR .. pair_id, 'client', 'client_user', 'worker', 'worker_user')
  local client, worker = pair[1], pair[3]
  if not client or (leaver ~= client and leaver ~= worker) then return false end
  call('DEL', PAIR .. pair_id)
  call('ZREM', PAIRS_OF .. client, pair_id)
  call('ZREM', PAIRS_OF .. worker, pair_id)
  if call('EXISTS', WORKER .. worker) == 1 then
    call('HINCRBY', WORKER .. worker, 'load', -1)
    place_worker(worker)
  end
  if leaver == client then
    tell_pair(worker, state, pair_id, client, pair[2], reason)
  else
    tell_pair(client, state, pair_id, worker, pair[4], reason)
  end
  return true
end

-- The end of a session, whose record may already be gone by its EXPIRE.
local function finish(id, record, reason)
  leave_queue(id)
  for _, pair_id in ipairs(call('ZRANGE', PAIRS_OF .. id, 0, -1)) do
    dissolve(pair_id, id, 'lost', reason)
  end
  local slot = call('HGET', WORKER .. id, 'slot')
  if slot then call('ZREM', WORKERS, slot) end
  call('DEL', WORKER .. id, PAIRS_OF .. id, MESSAGES .. id, SENT .. id)
  call('ZREM', DEADLINES, id)
  if not record then return end
  call('HSET', SESSION .. id, 'state', 'ended', 'ended_reason', reason, 'expires_at', exact(now + TOMBSTONE_TTL_S))
  call('EXPIRE', SESSION .. id, math.ceil(TOMBSTONE_TTL_S))
  if record[STATE] == 'connected' then leave_node(id, record) end
  if record[STATE] ~= 'away' then
    tell(NODE_CHANNEL .. record[NODE_ID], 'ended', id, reason)
  end
end
