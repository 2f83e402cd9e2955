import type { Schemas } from '@/api/client.ts'
import { say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import type { Consequence, Planned } from './model.ts'
import { words } from './words.ts'

type Plan = Schemas['Plan']
type Detail = Schemas['TransactionDetail']

/** plannedOf says in words what the plan of an operation would do. */
export function plannedOf(plan: Plan, detail?: Detail): Planned {
  return {
    from: plan.status,
    to: plan.resultingStatus,
    digest: plan.digest ?? '',
    consequences: consequencesOf(plan, detail),
  }
}

/** consequencesOf lists what a plan would do, the weightiest first. */
export function consequencesOf(plan: Plan, detail?: Detail): Consequence[] {
  const out: Consequence[] = []
  const branch = (id: string) => branchLabel(id, detail)
  if (plan.heuristic) out.push({ kind: 'warns', text: say(words, 'heuristicWarning') })
  if (plan.decides) out.push({ kind: 'decides', text: say(words, `decides_${plan.decides}`) })
  for (const operation of ['rollback', 'commit', 'forward'] as const) {
    const calls = (plan.calls ?? []).filter((call) => (call.operation ?? 'forward') === operation)
    if (calls.length === 0) continue
    out.push({
      kind: 'calls',
      text: many(calls.length, `calls1_${operation}`, `calls_${operation}`),
      items: calls.map((call) =>
        [branch(call.branch ?? ''), call.url || call.resource].filter(Boolean).join(' · '),
      ),
    })
  }
  for (const now of [true, false]) {
    const frees = (plan.frees ?? []).filter((free) => !!free.atOnce === now)
    if (frees.length === 0) continue
    const rows = frees.reduce((sum, free) => sum + (free.rows ?? 0), 0)
    out.push({
      kind: 'frees',
      text: say(words, now ? 'freesNow' : 'freesLater', { n: count(rows) }),
      items: frees.map((free) =>
        say(words, 'rowsOf', {
          n: count(free.rows ?? 0),
          resource: free.resource ?? '',
          branch: branch(free.branch ?? ''),
        }),
      ),
    })
  }
  const messages = plan.messages ?? []
  if (messages.length > 0) {
    out.push({
      kind: 'publishes',
      text: many(messages.length, 'publishes1', 'publishes'),
      items: messages.map((m) =>
        say(words, `about_${m.about ?? 'branch'}`, { topic: m.topic ?? '', branch: branch(m.branch ?? '') }),
      ),
    })
  }
  const leaves = plan.leaves ?? []
  if (leaves.length > 0) {
    out.push({ kind: 'leaves', text: many(leaves.length, 'leaves1', 'leaves'), items: leaves.map(branch) })
  }
  return out
}

/** askedOf lists the branches whose participants a plan has asked. */
export function askedOf(plan: Plan): string[] {
  const ids = [
    ...(plan.calls ?? []).map((call) => call.branch ?? ''),
    ...(plan.messages ?? []).filter((m) => m.about === 'branch').map((m) => m.branch ?? ''),
  ]
  return [...new Set(ids.filter(Boolean))]
}

/** branchLabel is a branch by its name, with its id if that does not say it already. */
export function branchLabel(id: string, detail?: Detail): string {
  const branch = detail?.branches?.find((one) => one.id === id)
  const name = branch?.step || branch?.key
  return name ? `${name} (${id})` : id
}

function many(n: number, one: keyof (typeof words)['en'], more: keyof (typeof words)['en']): string {
  return n === 1 ? say(words, one) : say(words, more, { n: count(n) })
}
