import { api, ask, type Schemas } from '@/api/client.ts'
import { openStream, type Liveness } from '@/api/stream.ts'
import { say } from '@/i18n'
import { numberOf } from '../Xid.tsx'
import { approvalOf, followApproval } from './approvals.ts'
import { followed, type Followed } from './follow.ts'
import type { Action, Given, Progress, Sent } from './model.ts'
import { askedOf, plannedOf } from './plan.ts'
import { words } from './words.ts'

type Detail = Schemas['TransactionDetail']
type Plan = Schemas['Plan']

/** Operation is what can be done to a transaction, or to one of its branches. */
export interface Operation {
  readonly action: Schemas['Operation']['action']
  readonly branch?: string | undefined
}

const heuristic = new Set<Operation['action']>(['skip', 'release', 'finish'])

/** transactionAction is an operation on a transaction, for an ActionDialog. */
export function transactionAction(xid: string, op: Operation): Action {
  const id = numberOf(xid)
  const branch = op.branch ?? ''
  const title =
    op.branch && (op.action === 'retry' || op.action === 'release')
      ? say(words, `${op.action}Branch_title`, { id, branch })
      : say(words, `${op.action}_title`, { id, branch })
  return operationAction(xid, op, {
    title,
    text: say(words, `${op.action}_text`),
    verb: say(words, `${op.action}_verb`),
  })
}

/** SagaOperation is what people do to runs of sagas. */
export interface SagaOperation {
  readonly action: 'cancel' | 'retry' | 'resume' | 'skip' | 'finish'
  /** The branch of the step that is meant, and its name. */
  readonly branch?: string | undefined
  readonly step?: string | undefined
}

/** sagaAction is an operation on a run of a saga, for an ActionDialog. */
export function sagaAction(xid: string, op: SagaOperation): Action {
  const id = numberOf(xid)
  const step = op.step ?? op.branch ?? ''
  switch (op.action) {
    case 'cancel':
      return operationAction(
        xid,
        { action: 'rollback' },
        {
          title: say(words, 'cancelRun_title', { id }),
          text: say(words, 'cancelRun_text'),
          verb: say(words, 'cancelRun_verb'),
        },
      )
    case 'resume':
      return operationAction(
        xid,
        { action: 'retry' },
        {
          title: say(words, 'resume_title', { id }),
          text: say(words, 'resume_text'),
          verb: say(words, 'resume_verb'),
        },
      )
    case 'retry':
      return operationAction(
        xid,
        { action: 'retry', branch: op.branch },
        {
          title: say(words, step ? 'retryStep_title' : 'retry_title', { id, step }),
          text: say(words, step ? 'retryStep_text' : 'retry_text'),
          verb: say(words, 'retry_verb'),
        },
      )
    case 'finish':
      return transactionAction(xid, { action: 'finish' })
    case 'skip':
      return skipStep(xid, op, step)
  }
}

/** Skipping a step can give it a result, which only the route of sagas takes. */
function skipStep(xid: string, op: SagaOperation, step: string): Action {
  const base = operationAction(
    xid,
    { action: 'skip', branch: op.branch },
    {
      title: say(words, 'skipStep_title', { id: numberOf(xid), step }),
      text: say(words, 'skipStep_text'),
      verb: say(words, 'skip_verb'),
    },
  )
  const send = async (given: Given): Promise<Sent> => {
    const result = given.fields['result']?.trim()
    if (!result) return base.send(given)
    const answer = await ask(
      api.POST('/api/v1/sagas/runs/{xid}/skip', {
        params: { path: { xid }, header: { 'Idempotency-Key': given.key } },
        body: { step, result: JSON.parse(result) as unknown, reason: given.reason } as never,
      }),
    )
    const approval = approvalOf(answer)
    if (approval) return { approval, follow: followApproval(approval) }
    const now = await ask(api.GET('/api/v1/transactions/{xid}', { params: { path: { xid } } }))
    return started(xid, [], now)
  }
  const help = say(words, 'skipResultHelp')
  return { ...base, send, fields: [{ name: 'result', label: say(words, 'skipResult'), help, kind: 'json' }] }
}

function operationAction(xid: string, op: Operation, texts: Pick<Action, 'title' | 'text' | 'verb'>): Action {
  let plan: Plan = {}
  const path = { xid }
  const body = { action: op.action, ...(op.branch ? { branch: op.branch } : {}) }
  return {
    ...texts,
    subject: xid,
    role: heuristic.has(op.action) ? 'resolver' : 'operator',
    confirm: heuristic.has(op.action) ? numberOf(xid) : undefined,
    reason: 'required',
    async plan(signal) {
      const [planned, detail] = await Promise.all([
        ask(api.POST('/api/v1/transactions/{xid}/plan', { params: { path }, body, signal })),
        ask(api.GET('/api/v1/transactions/{xid}', { params: { path }, signal })),
      ])
      plan = planned
      return plannedOf(planned, detail)
    },
    async send(given) {
      const answer = await ask(
        api.POST('/api/v1/transactions/{xid}/operations', {
          params: { path, header: { 'Idempotency-Key': given.key } },
          body: { ...body, digest: given.digest, reason: given.reason },
        }),
      )
      const approval = approvalOf(answer)
      if (approval) return { approval, follow: followApproval(approval) }
      return started(xid, askedOf(plan), answer as Detail)
    },
  }
}

/** What the server has answered, and how it goes on from there. */
function started(xid: string, asked: readonly string[], answered: Detail): Sent {
  return {
    progress: progressOf(followed(answered, answered, asked), answered),
    follow: (tell) =>
      followTransaction(xid, { onState: (now) => tell(progressOf(followed(answered, now, asked), now)) }),
  }
}

/** progressOf puts into words what has come of an operation. */
export function progressOf(f: Followed, now: Detail): Progress {
  const known = f.lines.filter((line) => line.state !== 'waiting' && line.state !== 'asked').length
  const all = f.lines.length
  const attempt = {
    none: say(words, 'attemptNone'),
    waiting: say(words, 'attemptWaiting'),
    working: say(words, 'attemptWorking', { done: known, all }),
    unasked: say(words, 'attemptUnasked'),
    done: all === 1 ? say(words, 'attemptDone1') : say(words, 'attemptDone', { all }),
  }[f.attempted]
  return {
    accepted: say(words, 'acceptedOp'),
    attempted: { state: f.attempted === 'unasked' ? 'none' : f.attempted, text: attempt },
    result: resultOf(f, now),
    lines: f.lines.map((line) => ({
      ...line,
      name: line.name === line.id ? line.id : `${line.name} (${line.id})`,
    })),
    over: f.over,
  }
}

function resultOf(f: Followed, now: Detail): Progress['result'] {
  switch (f.outcome) {
    case 'waiting':
      return { state: 'waiting', text: say(words, 'resultWaiting') }
    case 'ended':
      if (now.heuristic) {
        return {
          state: 'warn',
          text: say(words, now.status === 'Committed' ? 'heuristicCommitted' : 'heuristicRolledBack'),
        }
      }
      return now.status === 'Committed'
        ? { state: 'good', text: say(words, 'resultCommitted') }
        : { state: 'undo', text: say(words, 'resultRolledBack') }
    case 'done':
      return { state: 'good', text: say(words, f.lines.length > 0 ? 'resultDone' : 'resultSettled') }
    case 'failed':
      return { state: 'bad', text: say(words, 'resultFailed') }
    case 'failedSoFar': {
      const n = f.lines.filter((line) => line.state === 'waiting').length
      return { state: 'warn', text: say(words, n === 1 ? 'resultSoFar1' : 'resultSoFar', { n }) }
    }
    case 'unasked':
      return { state: 'warn', text: say(words, 'resultUnasked') }
    case 'refused':
      return { state: 'bad', text: say(words, 'resultRefused') }
    case 'ongoing':
      return { state: 'work', text: say(words, 'resultOngoing') }
    case 'left':
      return { state: 'warn', text: say(words, 'resultLeft') }
  }
}

/** followTransaction tells each state of a transaction until it has ended, or what it returns is called. */
export function followTransaction(
  xid: string,
  on: { onState: (now: Detail) => void; onLiveness?: (state: Liveness) => void },
): () => void {
  const stop = openStream<Detail>(`/api/v1/transactions/${encodeURIComponent(xid)}/stream`, {
    events: ['end'],
    onMessage: (now, event) => {
      on.onState(now)
      if (event === 'end') stop()
    },
    ...(on.onLiveness ? { onLiveness: on.onLiveness } : {}),
  })
  return stop
}
