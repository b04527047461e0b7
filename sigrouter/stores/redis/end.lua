-- id, reason -> whether this call ended it
local record = load_record(ARGV[2])
if not record or record[STATE] == 'ended' then return answer('ok', false) end
finish(ARGV[2], record, ARGV[3])
return answer('ok', true)
