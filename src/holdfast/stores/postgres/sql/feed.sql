-- name: beat
SELECT clock_timestamp() AS now, epoch FROM access_epoch
