module holdfast-bench/openloop

go 1.26.0
