-- msgpack {id, ...} -> their records, false for none
local records = {}
for index, id in ipairs(cmsgpack.unpack(ARGV[2])) do
  records[index] = load_record(id) or false
end
return answer('ok', records)
