/**
 * A pattern list of ssh_config(5) "PATTERNS": comma-separated, `*` and `?` as wildcards, `!` negates. True when
 * one pattern matches and no negated one does. Names are compared in lower case.
 */
export function matchPatterns(list: string, name: string): boolean {
  const lower = name.toLowerCase()
  let matched = false
  for (const pattern of list.toLowerCase().split(",")) {
    if (pattern.startsWith("!")) {
      if (matchPattern(pattern.slice(1), lower)) return false
    } else if (matchPattern(pattern, lower)) matched = true
  }
  return matched
}

/** One pattern with `*` and `?`, as it stands. Linear in time whatever the pattern: on a mismatch only the last `*` is tried again, one character on. */
export function matchPattern(pattern: string, name: string): boolean {
  let p = 0
  let n = 0
  let star = -1
  let resume = 0
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++
      resume = n
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === name[n])) {
      p++
      n++
    } else if (star >= 0) {
      p = star + 1
      n = ++resume
    } else return false
  }
  while (pattern[p] === "*") p++
  return p === pattern.length
}
