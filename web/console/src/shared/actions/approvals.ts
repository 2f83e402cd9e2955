import { api, ask, type Schemas } from '@/api/client.ts'
import { say } from '@/i18n'
import type { Following, Progress } from './model.ts'
import { words } from './words.ts'

type Approval = Schemas['Approval']

/** approvalOf returns the approval that an answer consists of, if a second person is needed. */
export function approvalOf(answer: unknown): Approval | undefined {
  if (typeof answer !== 'object' || answer === null || !('approval' in answer)) return undefined
  return (answer as { approval: Approval }).approval
}

/** approvalProgress says how an approval stands. */
export function approvalProgress(a: Approval): Progress {
  const waits = a.state === 'pending' || a.state === 'approved'
  const values = { who: a.answerer ?? '', why: a.detail || a.answerReason || a.code || '' }
  const tone = a.state === 'done' ? 'good' : a.state === 'rejected' || a.state === 'expired' ? 'warn' : 'bad'
  return {
    accepted: say(words, 'approvalWaits'),
    attempted: { state: waits ? 'waiting' : a.state === 'done' ? 'done' : 'none', text: '' },
    result: waits
      ? { state: 'waiting', text: say(words, 'approvalWaits') }
      : { state: tone, text: say(words, `approval_${a.state as Exclude<Settled, undefined>}`, values) },
    lines: [],
    over: !waits,
  }
}

type Settled = Exclude<Approval['state'], 'pending' | 'approved'>

const approvalEvery = 3000

/** followApproval looks at an approval again and again until somebody has answered it. */
export function followApproval(approval: Approval): Following {
  return (tell) => {
    const stop = new AbortController()
    let timer: ReturnType<typeof setTimeout>
    const look = async () => {
      try {
        const now = await ask(
          api.GET('/api/v1/approvals/{approval}', {
            params: { path: { approval: approval.id ?? '' } },
            signal: stop.signal,
          }),
        )
        const progress = approvalProgress(now)
        tell(progress)
        if (progress.over) return
      } catch {
        // It is asked again; the shell says that the server does not answer.
      }
      if (!stop.signal.aborted) timer = setTimeout(() => void look(), approvalEvery)
    }
    timer = setTimeout(() => void look(), approvalEvery)
    return () => {
      stop.abort()
      clearTimeout(timer)
    }
  }
}
