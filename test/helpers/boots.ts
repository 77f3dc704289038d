import type { TestMachine } from "./lab.ts"

/** What GRUB booted: Linux with Xen below it, or without. */
export type Boot = "Linux" | "Xen"

/** What GRUB booted, by what it said on the serial line; an entry of which a file was missing is one, too. */
export function bootsIn(console: string): Boot[] {
  return Array.from(console.matchAll(/Booting `([^']*)/g), ([, title]) =>
    /\bXen\b/.test(title!) ? "Xen" : "Linux",
  )
}

/** What a machine boots while something is done: a restart too many is seen. */
export async function bootsDuring<T>(
  machine: Pick<TestMachine, "boots">,
  act: () => Promise<T>,
): Promise<{ boots: Boot[]; result: T }> {
  const { length } = await machine.boots()
  const result = await act()
  return { boots: (await machine.boots()).slice(length), result }
}
