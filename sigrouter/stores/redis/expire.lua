-- limit -> the ids that were ended, whether there may be more to do
local limit = tonumber(ARGV[2])
local budget = limit

-- Dead nodes first: their sessions get a full window to resume in, from the moment that the loss is known.
local changed = false
for _, node_id in ipairs(call('ZRANGEBYSCORE', NODES, '-inf', exact(now))) do
  local sessions = NODE .. node_id .. NODE_SESSIONS_SUFFIX
  changed = call('DEL', NODE .. node_id) == 1 or changed
  while budget > 0 do
    local page = call('SRANDMEMBER', sessions, math.min(budget, 100))
    if #page == 0 then break end
    for _, id in ipairs(page) do
      local record = load_record(id)
      if record and record[STATE] == 'connected' and record[NODE_ID] == node_id then to_away(id, record) end
      call('SREM', sessions, id)
    end
    budget = budget - #page
  end
  if call('EXISTS', sessions) == 0 then call('ZREM', NODES, node_id) end
end
if changed then tell(NODES_CHANNEL) end

local ended = {}
if budget > 0 then
  for _, id in ipairs(call('ZRANGEBYSCORE', DEADLINES, '-inf', exact(now), 'LIMIT', 0, budget)) do
    finish(id, load_record(id), 'expired')
    ended[#ended + 1] = id
    budget = budget - 1
  end
end
if budget > 0 then
  for _, id in ipairs(call('ZRANGEBYSCORE', QUEUE_DEADLINES, '-inf', exact(now), 'LIMIT', 0, budget)) do
    expire_request(id)
    budget = budget - 1
  end
end
return answer('ok', ended, budget <= 0)
