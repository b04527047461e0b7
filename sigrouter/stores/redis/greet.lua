-- run id, durable (0 or 1). The first script on every connection, before any other may touch a log.
if call('GET', RUN_ID) ~= ARGV[2] then
  call('SET', RUN_ID, ARGV[2])
  -- A fresh incarnation is named by the run and not counted: a counter could be lost and given out again.
  if ARGV[3] == '0' or call('EXISTS', INCARNATION) == 0 then call('SET', INCARNATION, string.sub(ARGV[2], 1, 8)) end
end
return answer('ok')
