-- node, msgpack {{id, generation}, ...} -> the ids that are not this node's any more
local node_id = ARGV[2]
local strangers = {}
for _, held in ipairs(cmsgpack.unpack(ARGV[3])) do
  local id = held[1]
  local place = call('HMGET', SESSION .. id, 'state', 'generation', 'pod_id', 'user_id')
  local state = place[1]
  if (state == 'connected' or state == 'away') and tonumber(place[2]) == held[2] and place[3] == node_id then
    if state == 'away' then
      -- Its node was thought dead while the store was out of its reach, and was not: the connection stands.
      call('HSET', SESSION .. id, 'state', 'connected')
      enter_node(id, place[4], node_id)
      place_worker(id)
    end
    set_deadline(id, now + RECOVERY_WINDOW_S)
    renew(id)
  else
    strangers[#strangers + 1] = id
  end
end
return answer('ok', strangers)
