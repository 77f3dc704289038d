import { ValueError } from "../errors.ts"
import type { ProblemCode, Report } from "../problem.ts"
import type { Field } from "./fields.ts"
import { checkField, type Spec } from "./spec.ts"

export type Fields = Readonly<Record<string, Field<unknown>>>

type FieldValue<F> = F extends Field<infer T> ? T : never
type RequiredName<F> = { [K in keyof F]: F[K] extends { readonly required: true } ? K : never }[keyof F]

/** What a specification of some fields holds: the names are xl's own. */
export type FieldValues<F> = { readonly [K in RequiredName<F>]: FieldValue<F[K]> } & {
  readonly [K in Exclude<keyof F, RequiredName<F>>]?: FieldValue<F[K]>
}

/**
 * The specification language of most devices: `name=value,name=value`. As xl does, empty parts are skipped
 * and blanks before a part too; blanks around `=` belong to the name and the value, so `bridge = x` is no
 * option at all; only where xl `trims` both it is one.
 */
export function keyValueSpec<const F extends Fields>(
  kind: string,
  fields: F,
  { unknown = "bad-value", trims = false }: { readonly unknown?: ProblemCode; readonly trims?: boolean } = {},
): Spec<FieldValues<F>> {
  const flags = new Map<string, readonly [string, boolean]>()
  for (const [name, { flag }] of Object.entries(fields))
    if (flag) flags.set(name, [name, true]).set(`un${name}`, [name, false])
  const aliases = new Map(
    Object.entries(fields).flatMap(([name, field]) => (field.alias ? [[field.alias, name]] : [])),
  )

  function scan(spec: string, report: Report): FieldValues<F> {
    const values: Record<string, unknown> = {}
    for (const part of spec.split(",")) {
      const option = trims ? part.trim().replace(/\s*=\s*/, "=") : part.replace(/^ +/, "")
      if (part === "") continue
      const word = flags.get(option)
      if (word !== undefined) {
        values[word[0]] = word[1]
        continue
      }
      const equals = option.indexOf("=")
      const written = equals < 0 ? option : option.slice(0, equals)
      const name = aliases.get(written) ?? written
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined
      if (field === undefined || field.flag || equals < 0) {
        report({
          code: unknown,
          message: `xl does not know ${JSON.stringify(option)} in a ${kind}`,
          remedy: suggest(option, fields),
        })
        continue
      }
      if (name !== written)
        report({ code: "deprecated", message: `${written}= is an old name`, remedy: `write ${name}=` })
      if (field.since) report({ code: "too-new", since: field.since, message: `${name}= in a ${kind}` })
      const text = option.slice(equals + 1)
      const value = field.read(text)
      if (value === undefined)
        report({
          code: name === "mac" ? "bad-mac" : "bad-value",
          message: `${name}=${text} in a ${kind} is not ${field.wanted}`,
        })
      else values[name] = value
    }
    for (const [name, field] of Object.entries(fields))
      if (field.required && !(name in values))
        report({ code: "missing-key", message: `the ${kind} has no ${name}=`, remedy: `add ${name}=` })
    return values as FieldValues<F>
  }

  function print(values: FieldValues<F>): string {
    const given = values as Record<string, unknown>
    for (const name of Object.keys(given))
      if (!Object.hasOwn(fields, name)) throw new ValueError(kind, `there is no ${name}=`)
    const parts: string[] = []
    for (const [name, field] of Object.entries(fields)) {
      const value = given[name]
      if (value === undefined) {
        if (field.required) throw new ValueError(kind, `${name}= is missing`)
        continue
      }
      if (field.flag) parts.push(value ? name : `un${name}`)
      else {
        const text = checkField(kind, name, field.write(value))
        if (field.read(text) === undefined)
          throw new ValueError(`${name}= of a ${kind}`, `${JSON.stringify(text)} is not ${field.wanted}`)
        parts.push(`${name}=${text}`)
      }
    }
    return parts.join(",")
  }

  return { kind, scan, print }
}

function suggest(option: string, fields: Fields): string {
  const tight = option.replace(/\s*=\s*/, "=").trim()
  const name = tight.split("=")[0]!
  if (tight !== option && Object.hasOwn(fields, name)) return `write ${tight}, without blanks`
  return `it knows ${Object.keys(fields).slice(0, 12).join(", ")}${Object.keys(fields).length > 12 ? ", …" : ""}`
}
