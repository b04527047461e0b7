-- id. Sessions that are still confirmed there turn away with the next `expire`.
local known = call('DEL', NODE .. ARGV[2]) == 1
if call('EXISTS', NODE .. ARGV[2] .. NODE_SESSIONS_SUFFIX) == 1 then
  call('ZADD', NODES, 0, ARGV[2])
else
  call('ZREM', NODES, ARGV[2])
end
if known then tell(NODES_CHANNEL) end
return answer('ok')
