# What pip says, as a count: "12 of 34 packages, 87 MB: numpy". `total` is how many the lock file names.
# On a terminal (tty=1) one line that changes, elsewhere a line for every tenth package.
function say(what) {
  line = sprintf("  %d of %d packages, %d MB%s", done, total, mb, what)
  if (tty) printf "\r\033[K%s", line
  else if (done % 10 == 0 || what == ": unpacking") print line
  fflush()
}
function bytes(text) {
  if (!match(text, /\([0-9.]+ [kMG]?B\)/)) return 0
  split(substr(text, RSTART + 1, RLENGTH - 2), part, " ")
  return part[1] * (part[2] == "GB" ? 1000 : part[2] == "MB" ? 1 : part[2] == "kB" ? 0.001 : 0.000001)
}
/^(Collecting|Ignoring|Requirement already satisfied:) / {
  name = $1 == "Requirement" ? $4 : $2
  sub(/[=;:].*/, "", name)
  if (!(name in seen)) { seen[name]; done++; say(": " name) }
}
/^ +(Downloading|Using cached) / && !/\.metadata/ { mb += bytes($0) }
/^Installing collected packages/ { say(": unpacking") }
END { if (tty && done) printf "\n" }
