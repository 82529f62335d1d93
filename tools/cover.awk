# Reads a Go coverage profile, prints the covered share of each ring and fails when one is under its threshold:
# -v core=PERCENT for domain and usecase, -v rest=PERCENT for all others. Helpers of tests and what is generated don't count.
$1 ~ /^monorelay\// && $1 !~ /^monorelay\/test\// && $1 !~ /wire_gen\.go:/ {
  # With -coverpkg each block appears once for every test binary.
  size[$1] = $2
  if ($3 > 0) hit[$1] = 1
}

END {
  for (block in size) {
    split(block, part, "/")
    ring = part[2] ~ /\.go:/ ? "main" : part[2]
    all[ring] += size[block]
    if (block in hit) covered[ring] += size[block]
  }
  for (ring in all) {
    percent = 100 * covered[ring] / all[ring]
    least = ring == "domain" || ring == "usecase" ? core : rest
    if (ring == "main") least = 0
    printf "%-10s %5.1f %% of %d statements%s\n", ring, percent, all[ring], percent < least ? "  (at least " least " % wanted)" : ""
    if (percent < least) low = 1
  }
  exit low
}
