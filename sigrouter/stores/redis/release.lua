-- id, pair -> whether it had that pair
return answer('ok', dissolve(ARGV[3], ARGV[2], 'released', ''))
