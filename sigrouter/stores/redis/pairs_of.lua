-- id -> its pairs
return answer('ok', pair_views(ARGV[2]))
