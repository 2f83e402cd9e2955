import { api, ask, type Schemas } from '@/api/client.ts'
import { say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { doneAtOnce } from '@/shared/actions/events.ts'
import { approvalOf, approvalProgress, followApproval } from '@/shared/actions/approvals.ts'
import { followed } from '@/shared/actions/follow.ts'
import type { Action, Consequence, Progress, Sent } from '@/shared/actions/model.ts'
import { askedOf, plannedOf } from '@/shared/actions/plan.ts'
import { followTransaction, progressOf } from '@/shared/actions/transactions.ts'
import { numberOf } from '@/shared/Xid.tsx'
import { letterOf } from './items.ts'
import { words } from './words.ts'

type Approval = Schemas['Approval']

/** subjectOf is what an approval is about, whole. */
export function subjectOf(a: Approval): string {
  return a.xid ?? a.job ?? (a.letter ? `${a.group} / ${a.letter}` : (a.group ?? ''))
}

/** consequencesOf says what happens when an approval without a plan of a transaction is approved. */
export function consequencesOf(a: Approval): Consequence[] {
  if (a.job) return [{ kind: 'does', text: say(words, 'startsJob', { job: a.job }) }]
  const group = a.group ?? ''
  if (a.letter) {
    return [{ kind: 'warns', text: say(words, 'discardsLetter', { group, letter: a.letter }) }]
  }
  return [{ kind: 'warns', text: say(words, 'removesGroup', { group }) }]
}

/** approvalAction approves or rejects what somebody else has asked for. */
export function approvalAction(asked: Approval, yes: boolean): Action {
  const what = `${say(words, asked.action ?? 'skip')} · ${asked.xid ? numberOf(asked.xid) : subjectOf(asked)}`
  const path = { approval: asked.id ?? '' }
  const rejects: Consequence = { kind: 'leaves', text: say(words, 'rejectDoes') }
  return {
    title: say(words, yes ? 'approveTitle' : 'rejectTitle', { what }),
    text: say(words, yes ? 'approveText' : 'rejectText'),
    verb: say(words, yes ? 'approveVerb' : 'rejectVerb'),
    subject: subjectOf(asked),
    role: 'resolver',
    confirm: yes && asked.xid ? numberOf(asked.xid) : undefined,
    reason: 'required',
    async plan(signal) {
      const now = await ask(api.GET('/api/v1/approvals/{approval}', { params: { path }, signal }))
      if (!yes) return { consequences: [rejects], digest: now.digest ?? '' }
      if (!now.plan) return { consequences: consequencesOf(now), digest: now.digest ?? '' }
      const xid = now.xid ?? ''
      const detail = await ask(
        api.GET('/api/v1/transactions/{xid}', { params: { path: { xid } }, signal }),
      ).catch(() => undefined)
      return { ...plannedOf(now.plan, detail), digest: now.digest ?? '' }
    },
    async send({ digest, reason, key }) {
      const once = { params: { path }, body: { digest, reason }, headers: { 'Idempotency-Key': key } }
      if (!yes) {
        await ask(api.POST('/api/v1/approvals/{approval}/reject', once))
        return { progress: doneAtOnce(say(words, 'rejectedDone')) }
      }
      const done = await ask(api.POST('/api/v1/approvals/{approval}/approve', once))
      return followCarriedOut(done)
    },
  }
}

/** followCarriedOut goes on with what was approved: the transaction, if it is about one. */
async function followCarriedOut(done: Approval): Promise<Sent> {
  const xid = done.xid ?? ''
  if (!xid || !done.plan) {
    const progress = approvalProgress(done)
    if (!progress.over) return { approval: done, follow: followApproval(done) }
    return { progress: { ...progress, accepted: say(words, 'approvedDone') } }
  }
  const asked = askedOf(done.plan)
  // It is approved, whether the transaction can be read just now or not.
  const before = await ask(api.GET('/api/v1/transactions/{xid}', { params: { path: { xid } } })).catch(
    () => undefined,
  )
  if (!before) return { approval: done, follow: followApproval(done) }
  const tell = (now: Schemas['TransactionDetail']) => progressOf(followed(before, now, asked), now)
  return {
    progress: tell(before),
    follow: (hear) => followTransaction(xid, { onState: (now) => hear(tell(now)) }),
  }
}

/** How many milliseconds lie between two letters at a rate; a rate that is none is 10 a second. */
export function pauseOf(rate: string): number {
  const n = Number(rate)
  return 1000 / (n > 0 ? Math.min(n, 1000) : 10)
}

export interface Bulk {
  done: number
  failed: number
  asked: number
  n: number
}

/** bulkProgress says how far many letters have come. */
export function bulkProgress(b: Bulk, discards: boolean): Progress {
  const sent = b.done + b.failed + b.asked
  const over = sent >= b.n
  const end = b.failed
    ? say(words, 'bulkFailed', { failed: count(b.failed), n: count(b.n) })
    : b.asked
      ? say(words, 'bulkAsked', { n: count(b.asked) })
      : say(words, discards ? 'bulkDiscarded' : 'bulkDone', { n: count(b.n) })
  const attempted = say(words, 'bulkAttempted', { done: count(sent), n: count(b.n) })
  return {
    accepted: say(words, 'bulkAccepted'),
    attempted: { state: over ? 'done' : 'working', text: attempted },
    result: over
      ? { state: b.failed ? 'bad' : b.asked ? 'warn' : 'good', text: end }
      : { state: 'waiting', text: '' },
    lines: [],
    over,
  }
}

/** lettersAction replays or discards many dead letters, one after the other. */
export function lettersAction(ids: readonly string[], what: 'replay' | 'discard'): Action {
  const n = ids.length
  const discards = what === 'discard'
  const groups = new Map<string, number>()
  for (const id of ids) groups.set(letterOf(id).group, (groups.get(letterOf(id).group) ?? 0) + 1)
  return {
    title: say(words, `${what}Title`, { n: count(n) }),
    text: say(words, `${what}Text`),
    verb: say(words, `${what}Verb`),
    subject: [...groups.keys()].join(', '),
    role: discards ? 'resolver' : 'operator',
    confirm: discards ? String(n) : undefined,
    reason: discards ? 'required' : 'optional',
    fields: [
      { name: 'rate', label: say(words, 'rate'), help: say(words, 'rateHelp'), kind: 'number', initial: '10' },
    ],
    plan: () =>
      Promise.resolve({
        consequences: [...groups].map(([group, letters]) => ({
          kind: discards ? ('warns' as const) : ('does' as const),
          text: say(words, `${what}Does`, { group, n: count(letters) }),
        })),
      }),
    send: ({ reason, fields }) => {
      const pause = pauseOf(fields['rate'] ?? '')
      const each = (id: string) => (discards ? discard(id, reason) : replay(id, reason))
      const sending = sendEach(ids, each, pause)
      return Promise.resolve({
        progress: bulkProgress({ done: 0, failed: 0, asked: 0, n }, discards),
        follow: (tell) => sending((b) => tell(bulkProgress(b, discards))),
      })
    },
  }
}

const letterPath = '/api/v1/events/groups/{group}/deadletters/{letter}' as const

function replay(id: string, reason: string): Promise<unknown> {
  const body = reason ? { reason } : {}
  return ask(api.POST(`${letterPath}/replay`, { params: { path: letterOf(id) }, body }))
}

function discard(id: string, reason: string): Promise<unknown> {
  return ask(api.DELETE(letterPath, { params: { path: letterOf(id) }, body: { reason } }))
}

type Hearing = (b: Bulk) => void

/** sendEach sends one after the other, with a pause between them, whether somebody looks or not. What it returns tells
 * how far it is until the function that that returns is called. */
export function sendEach(
  ids: readonly string[],
  send: (id: string) => Promise<unknown>,
  pause: number,
): (hear: Hearing) => () => void {
  const hearing = new Set<Hearing>()
  let b: Bulk = { done: 0, failed: 0, asked: 0, n: ids.length }
  const count = async (id: string): Promise<'done' | 'failed' | 'asked'> => {
    try {
      return approvalOf(await send(id)) ? 'asked' : 'done'
    } catch {
      return 'failed'
    }
  }
  const go = async () => {
    for (const id of ids) {
      const what = await count(id)
      b = { ...b, [what]: b[what] + 1 }
      hearing.forEach((hear) => hear(b))
      if (pause > 5) await new Promise((after) => setTimeout(after, pause))
    }
  }
  void go()
  return (hear) => {
    hear(b)
    hearing.add(hear)
    return () => hearing.delete(hear)
  }
}
