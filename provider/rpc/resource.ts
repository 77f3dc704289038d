import type { Failure } from "./check.ts"
import type { Fields, Known, Partly } from "./declare.ts"
import type { Change } from "./diff.ts"

export type Severity = "debug" | "info" | "warning" | "error"

/** What one call of the engine gives to a resource's code beside its properties. */
export interface Context<Outputs = unknown> {
  /** The resource's URN; empty in a function's call. */
  readonly urn: string
  /** Whether this is `pulumi preview`: nothing may be changed. */
  readonly preview: boolean
  /** Milliseconds that the operation may take in all; `signal` enforces it. */
  readonly timeout: number
  /** Aborted on Ctrl-C, on the operation's timeout, and when the engine is gone. Pass it to whatever waits. */
  readonly signal: AbortSignal
  /** A line that stays in Pulumi's output. */
  log(severity: Severity, message: string): void
  /** What is being done now: the status line of `pulumi up`, replaced by the next. */
  progress(message: string): void
  /**
   * To be called as soon as anything of the resource exists on the host. When the operation fails after that,
   * the state is saved all the same, and the next `pulumi up` begins with an update, which must converge.
   */
  exists(id: string, outputs: Partial<Outputs>): void
}

/** A check sees what a preview knows; what it does not know yet looks absent, and is named here. */
export interface CheckContext extends Context {
  /** Names of the inputs that are unknown, or hold something unknown. */
  readonly unknown: ReadonlySet<string>
}

/** A resource as the state knows it: the checked inputs it was made from, and what came of them. */
export interface State<Inputs, Outputs> {
  readonly inputs: Inputs
  /** What an interrupted create left may lack outputs. */
  readonly outputs: Partial<Outputs>
}

/**
 * A kind of resource, without a word of gRPC. Inputs arrive checked against their declaration and typed by it;
 * whatever a method throws becomes the one sentence that the user reads.
 */
export interface Resource<I extends Fields = Fields, O extends Fields = Fields> {
  readonly description: string
  readonly inputs: I
  readonly outputs: O
  /** Whether a replacement must wait until the old resource is gone. Default: false. */
  readonly deleteBeforeReplace?: boolean
  /** Minutes an operation may take when the program sets no `customTimeouts`. Default: 10. */
  readonly defaultTimeout?: number

  /**
   * What the declaration cannot say: rules between inputs, files that must exist. May return inputs that stand
   * in the place of those given (a digest computed, a spelling made canonical).
   */
  check?(inputs: Partly<Known<I>>, context: CheckContext): Promise<CheckResult<I>>
  /** Changes beside those of the inputs: drift that a refresh found, an output that must move. */
  drift?(state: State<Known<I>, Known<O>>, news: Partly<Known<I>>): readonly Change[]
  /** The outputs that are known before the operation runs; those left out are shown as unknown. */
  preview?(
    news: Partly<Known<I>>,
    context: Context,
    state: State<Known<I>, Known<O>> | undefined,
  ): Promise<Partial<Known<O>>>
  create(inputs: Known<I>, context: Context<Known<O>>): Promise<{ id: string; outputs: Known<O> }>
  /** The live state; `undefined` when the resource is gone. */
  read(
    id: string,
    state: State<Known<I>, Known<O>>,
    context: Context,
  ): Promise<State<Known<I>, Known<O>> | undefined>
  /** `pulumi import`: the inputs and outputs of what exists under an id such as `ssh://root@host:22/kernels/…`. */
  import?(id: string, context: Context): Promise<Imported<I, O> | undefined>
  update?(
    id: string,
    state: State<Known<I>, Known<O>>,
    news: Known<I>,
    context: Context<Known<O>>,
  ): Promise<Known<O>>
  delete(id: string, state: State<Known<I>, Known<O>>, context: Context): Promise<void>
}

export interface CheckResult<I extends Fields> {
  readonly inputs?: Partial<Known<I>>
  readonly failures?: readonly Failure[]
}

export interface Imported<I extends Fields, O extends Fields> {
  readonly id: string
  readonly inputs: Known<I>
  readonly outputs: Known<O>
}

/** A function that a program calls (`xen.inspectKernel`): asks, and changes nothing. */
export interface ProviderFunction<I extends Fields = Fields, O extends Fields = Fields> {
  readonly description: string
  readonly inputs: I
  readonly outputs: O
  call(inputs: Known<I>, context: Context): Promise<Known<O>>
}

/** Keeps the types of one declaration together; the registry holds resources of every kind. */
export function defineResource<const I extends Fields, const O extends Fields>(
  resource: Resource<I, O>,
): Resource {
  return resource as unknown as Resource
}

export function defineFunction<const I extends Fields, const O extends Fields>(
  declared: ProviderFunction<I, O>,
): ProviderFunction {
  return declared as unknown as ProviderFunction
}

/** Loaded when it is first asked for. */
export type Lazy<T> = () => Promise<T>

/** What a provider offers: its table of contents. */
export interface Registry {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly config: Fields
  readonly resources: { readonly [token: string]: Lazy<Resource> }
  readonly functions: { readonly [token: string]: Lazy<ProviderFunction> }
  /** Takes the provider's checked configuration, before any resource is touched. */
  configure(config: { readonly [name: string]: unknown }): void
  /** Lets go of what the provider holds (connections); called once, at the end. */
  close(): Promise<void>
}
