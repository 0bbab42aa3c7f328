-- How many seconds of a bucket lie within the time of the board: the first and the last are cut.
greatest(1, least(toUnixTimestamp(time) + $__interval_s, toUnixTimestamp($__toTime)) - greatest(toUnixTimestamp(time), toUnixTimestamp($__fromTime)))
