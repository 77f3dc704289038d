export type { Command } from "./command.ts"
export type * from "./contract.ts"
export * from "./errors.ts"
export { formatCommand, quote, quoteCommand, UnquotableError } from "./quote.ts"
