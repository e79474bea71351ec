/** How a machine names an effect: a typed action that does nothing, because whoever runs the machine only collects its name and params. */

/** An entry of a machine's effect table. XState wants a function here; the host never calls it. */
export const effect =
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- given by the caller, inferred from by XState
  <Params extends object>() =>
    (_args: unknown, _params: Params): void => {}

type EffectTable = Readonly<Record<string, (args: unknown, params: never) => void>>

/** Effect name → shape of its params, for the table of handlers that performs them. */
export type EffectsOf<Table extends EffectTable> = { readonly [Name in keyof Table]: Parameters<Table[Name]>[1] }

/** The names of a machine's effects, in the order of its table. */
export const namesOf = <Table extends EffectTable>(table: Table): readonly (keyof Table & string)[] => Object.keys(table)
