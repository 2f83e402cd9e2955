import { api, ask, Refused, type Schemas } from '@/api/client.ts'
import { hasRole, type Role } from '@/api/session.ts'
import { say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import type { Action, Consequence, Progress, Sent } from './model.ts'
import { followTransaction } from './transactions.ts'
import { words } from './waitWords.ts'

type Run = Schemas['SagaRun']

/** Waiting is a step of a run that waits for an answer. */
export interface Waiting {
  readonly xid?: string
  readonly saga?: string
  readonly step?: string
  readonly prompt?: string
  /** Of a signal. */
  readonly name?: string
}

type Stored = 'yesStored' | 'noStored' | 'signalStored'

/** toldProgress says how a run stands after one of its steps has been answered: that the answer is stored says nothing
 * of how the saga ends. */
export function toldProgress(
  stored: Stored,
  step: string,
  now: { status?: Schemas['Status']; stuck?: boolean },
): Progress {
  const status = now.status ?? 'Active'
  const ended = status === 'Committed' || status === 'RolledBack'
  const tones = {
    Active: 'work',
    Committing: 'work',
    RollingBack: 'undo',
    Committed: 'good',
    RolledBack: 'undo',
  } as const
  return {
    accepted: say(words, stored),
    attempted: { state: 'done', text: say(words, 'told', { step }) },
    result: now.stuck
      ? { state: 'bad', text: say(words, 'isStuck') }
      : { state: tones[status], text: say(words, `is${status}`) },
    lines: [],
    over: ended || now.stuck === true,
  }
}

function told(xid: string, stored: Stored, step: string, run: Run): Sent {
  return {
    progress: toldProgress(stored, step, run),
    follow: (hear) => followTransaction(xid, { onState: (now) => hear(toldProgress(stored, step, now)) }),
  }
}

/** undoneBy are the steps of a run that a rollback would compensate, by their names. */
export function undoneBy(run: Run): string[] {
  return (run.steps ?? [])
    .filter((step) => step.state === 'done' && !step.undo?.state?.match(/^(done|skipped)$/))
    .map((step) => step.name ?? '')
}

/** rejecting says what becomes of a run whose question is answered with no. */
export function rejecting(run: Run): Consequence[] {
  const items = undoneBy(run)
  const out: Consequence[] = [
    { kind: 'does', text: say(words, 'noText') },
    { kind: 'warns', text: say(words, 'noDoes') },
  ]
  if (items.length > 0) {
    const text = say(words, items.length === 1 ? 'noUndoes1' : 'noUndoes', { n: count(items.length) })
    out.push({ kind: 'calls', text, items })
  }
  return out
}

/** planned asks how the run is now, and says first of all if nobody waits for the answer any more. */
async function planned(
  wait: Waiting,
  signal: AbortSignal,
  consequences: (run: Run) => Consequence[],
): Promise<{ consequences: Consequence[] }> {
  const step = wait.step ?? ''
  const path = { xid: wait.xid ?? '' }
  const run = await ask(api.GET('/api/v1/sagas/runs/{xid}', { params: { path }, signal }))
  if (run.waits?.some((one) => one.step === step)) return { consequences: consequences(run) }
  return { consequences: [{ kind: 'warns', text: say(words, 'waitsNoMore', { step }) }] }
}

/** waitAction answers what a saga asks a person. */
export function waitAction(wait: Waiting, yes: boolean): Action {
  const xid = wait.xid ?? ''
  const step = wait.step ?? ''
  const values = { step, saga: wait.saga ?? '' }
  return {
    title: say(words, yes ? 'yesTitle' : 'noTitle', values),
    text: wait.prompt || say(words, yes ? 'yesText' : 'noText'),
    verb: say(words, yes ? 'yesVerb' : 'noVerb'),
    subject: xid,
    role: 'member',
    reason: 'optional',
    plan: (signal) =>
      planned(wait, signal, (run) => (yes ? [{ kind: 'does', text: say(words, 'yesDoes') }] : rejecting(run))),
    async send({ reason, key }) {
      const run = await ask(
        api.POST('/api/v1/sagas/runs/{xid}/approvals/{step}', {
          params: { path: { xid, step }, header: { 'Idempotency-Key': key } },
          body: { approve: yes, ...(reason ? { comment: reason } : {}) } as Schemas['SagaAnswer'],
        }),
      )
      return told(xid, yes ? 'yesStored' : 'noStored', step, run)
    },
  }
}

/** linesOf is data in lines: one for each field of an object, or the whole. */
export function linesOf(data: unknown): string[] {
  if (data === undefined) return []
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return [JSON.stringify(data)]
  return Object.entries(data).map(([name, value]) => `"${name}": ${JSON.stringify(value)}`)
}

/** signalAction gives a step of a saga the signal that it waits for, with data that has been read already; what the
 * server finds wrong in the data is told to complain. */
export function signalAction(wait: Waiting, data: unknown, complain?: (findings: unknown) => void): Action {
  const xid = wait.xid ?? ''
  const step = wait.step ?? ''
  const name = wait.name ?? ''
  const items = linesOf(data)
  const text = say(words, data === undefined ? 'signalNoData' : 'signalDoes', { step })
  return {
    title: say(words, 'signalTitle', { name, saga: wait.saga ?? '' }),
    text: say(words, 'signalText'),
    verb: say(words, 'signalVerb'),
    subject: xid,
    role: 'service',
    // The route of signals keeps who has sent it, and takes no reason.
    reason: 'none',
    plan: (signal) => planned(wait, signal, () => [{ kind: 'does', text, items }]),
    async send({ key }) {
      try {
        const run = await ask(
          api.POST('/api/v1/sagas/runs/{xid}/signals/{signal}', {
            params: { path: { xid, signal: name }, header: { 'Idempotency-Key': key } },
            body: { step, ...(data === undefined ? {} : { data }) } as Schemas['SagaSignal'],
          }),
        )
        return told(xid, 'signalStored', step, run)
      } catch (error) {
        if (error instanceof Refused) complain?.(error.body['findings'])
        throw error
      }
    },
  }
}

/** mayAnswer says whether somebody may answer what a saga asks; the server decides. */
export function mayAnswer(me: Schemas['Me'] | undefined, by: readonly string[] | undefined): boolean {
  if (!me) return false
  const roles = me.roles ?? []
  if (!by?.length) return hasRole(roles, 'operator') || hasRole(roles, 'service')
  return by.some((one) => one === me.name || hasRole(roles, one as Role))
}
