import type { Random } from "./random.ts"

/** A configuration, of good grammar for the most part. */
export function randomCfg(random: Random): string {
  return (
    random.repeat(random.below(6), () => statement(random)) +
    random.pick(["", "", "", "#end", "a=1", "a=1;", "k=[1,"])
  )
}

const keys = ["name", "vif", "memory", "k", "a.b_9", "disk", "k", "k"]
const ends = [..."\n\n\n\n\n\n\n\n\n\n;;;", "\n\n", " # cé;'\"\n", " ;\n", "", " ", "\r\n", "#"]
const gaps = ["", "", " ", "\t", "  "]

function statement(random: Random): string {
  if (random.below(8) === 0) return random.pick(["\n", ";", "# comment\n", "#\r\n", " \t\n", ";;"])
  const op = random.pick([
    "=",
    "=",
    "=",
    "=",
    "=",
    "=",
    "+=",
    "+=",
    "+=",
    random.pick(["==", "+ =", "", "="]),
  ])
  const gap = () => random.pick(gaps)
  return `${gap()}${random.pick(keys)}${gap()}${op}${gap()}${value(random, 3)}${gap()}${random.pick(ends)}`
}

function value(random: Random, depth: number): string {
  const kind = random.below(10)
  if (kind < 4 || depth === 0) return string(random)
  if (kind < 6)
    return random.pick([
      "0",
      "1",
      "16",
      "0x1f",
      "010",
      "12ab",
      "007fx",
      "9".repeat(20),
      "64",
      "2",
      "3",
      "4",
      random.pick(["-1", "1.5", "0xFF", "True"]),
    ])
  const newline = () => random.pick(["", "", " ", "\n", " # c\n", "\n\t\n"])
  const items = Array.from(
    { length: random.below(4) },
    () => newline() + value(random, depth - 1) + newline(),
  )
  return `[${items.join(",")}${random.pick(["", "", ",", ",\n", newline()])}]`
}

function string(random: Random): string {
  const mark = random.pick(['"', "'"])
  return (
    mark +
    random.repeat(random.below(8), () => random.pick(random.below(60) ? pieces : refused)) +
    (random.below(30) ? mark : "")
  )
}

const pieces = [
  ..."abc ,=[]#;:@",
  "é",
  "\t",
  "\r",
  "\x01",
  ...["\\n", "\\t", "\\\\", "\\'", '\\"', "\\a", "\\b", "\\f", "\\r", "\\v"],
  ...["\\012", "\\0 1", "\\7+12", "\\089"],
  ...["0", "12", "bridge=xenbr0", "/dev/vg/www,raw,xvda,rw"],
]

const refused = ["\\x41", "\\1", "\\01", "\\0  x", "\\q", "\\e", "\\\n", "\\", "\n", "\0"]

/** A text with some of its characters dropped, doubled, exchanged or replaced. */
export function mutate(random: Random, text: string, alphabet: string): string {
  let mutated = text
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(mutated.length + 1)
    const char = alphabet[random.below(alphabet.length)]!
    const width = random.below(4)
    mutated =
      mutated.slice(0, at) +
      random.pick([
        "",
        char,
        char,
        mutated.slice(at, at + width).repeat(2),
        mutated.slice(random.below(at + 1), at),
      ]) +
      mutated.slice(at + random.pick([0, 1, width]))
  }
  return mutated
}
