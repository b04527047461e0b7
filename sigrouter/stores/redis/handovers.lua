-- -> ids, newest first; those whose steps have expired are forgotten
local known = {}
for _, id in ipairs(call('ZREVRANGE', HANDOVERS, 0, -1)) do
  if call('EXISTS', HANDOVER .. id) == 1 then known[#known + 1] = id else call('ZREM', HANDOVERS, id) end
end
return answer('ok', known)
