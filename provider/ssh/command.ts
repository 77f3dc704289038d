/**
 * A command is data: the program and its arguments, quoted in one place (`quote.ts`) and run in one place
 * (`run.ts`). A secret is never an argument: it travels on standard input or by SFTP.
 */
export type Command = readonly string[]
