import { api, ask } from '@/api/client.ts'
import { say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { approvalOf, followApproval } from './approvals.ts'
import type { Action, Consequence, Progress, Sent } from './model.ts'
import { words } from './words.ts'

/** doneAtOnce is the progress of what has no participants: the server has done it, or it has failed. */
export function doneAtOnce(text: string): Progress {
  return {
    accepted: say(words, 'acceptedDone'),
    attempted: { state: 'none', text: say(words, 'attemptNone') },
    result: { state: 'good', text },
    lines: [],
    over: true,
  }
}

function sentOf(answer: unknown, text: string): Sent {
  const approval = approvalOf(answer)
  return approval ? { approval, follow: followApproval(approval) } : { progress: doneAtOnce(text) }
}

/** letterAction replays or discards a dead letter of a consumer group, for an ActionDialog. */
export function letterAction(group: string, letter: string, what: 'replay' | 'discard'): Action {
  const params = { path: { group, letter } }
  const consequences: Consequence[] = [{ kind: 'does', text: say(words, `${what}_does`, { group }) }]
  if (what === 'discard') consequences.unshift({ kind: 'warns', text: say(words, 'discard_text') })
  return {
    title: say(words, `${what}_title`, { letter }),
    text: say(words, `${what}_text`),
    verb: say(words, `${what}_verb`),
    subject: `${group} / ${letter}`,
    role: what === 'replay' ? 'operator' : 'resolver',
    confirm: what === 'discard' ? letter : undefined,
    reason: what === 'replay' ? 'optional' : 'required',
    plan: async (signal) => {
      await ask(api.GET('/api/v1/events/groups/{group}/deadletters/{letter}', { params, signal }))
      return { consequences }
    },
    send: async ({ reason, key }) => {
      const body = { reason }
      const path = '/api/v1/events/groups/{group}/deadletters/{letter}' as const
      const answer =
        what === 'replay'
          ? await ask(api.POST(`${path}/replay`, { params, body, headers: { 'Idempotency-Key': key } }))
          : await ask(api.DELETE(path, { params, body }))
      return sentOf(answer, say(words, `${what}_done`))
    },
  }
}

/** groupAction removes a consumer group, for an ActionDialog. */
export function groupAction(group: string): Action {
  return {
    title: say(words, 'group_title', { group }),
    text: say(words, 'group_text'),
    verb: say(words, 'group_verb'),
    subject: group,
    role: 'resolver',
    confirm: group,
    reason: 'optional',
    plan: async (signal) => {
      const page = await ask(api.GET('/api/v1/events/deadletters', { signal }))
      const own = (page.items ?? []).find((one) => one.group === group)
      const consequences: Consequence[] = [{ kind: 'warns', text: say(words, 'group_does') }]
      if (own?.letters) {
        const n = own.more ? say(words, 'lettersMore', { n: count(own.letters) }) : count(own.letters)
        consequences.push({ kind: 'leaves', text: say(words, 'group_letters', { n }) })
      }
      return { consequences }
    },
    send: async ({ reason }) => {
      // Where two people are needed, the reason goes along; see web/approvals.go.
      const wish = { params: { path: { group } }, ...(reason ? { body: { reason } } : {}) }
      const answer = await ask(api.DELETE('/api/v1/events/groups/{group}', wish as never))
      return sentOf(answer, say(words, 'group_done'))
    },
  }
}
