-- id -> whether it was in the queue
return answer('ok', leave_queue(ARGV[2]))
