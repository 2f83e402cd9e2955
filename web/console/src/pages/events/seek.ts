import { api, ask } from '@/api/client.ts'
import { say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { doneAtOnce } from '@/shared/actions/events.ts'
import type { Action } from '@/shared/actions/model.ts'
import { words } from './words.ts'

/** seekAction moves a consumer group to another place of the log. */
export function seekAction(group: string): Action {
  const params = { path: { group } }
  return {
    title: say(words, 'seekTitle', { group }),
    subject: group,
    text: say(words, 'seekText'),
    verb: say(words, 'seek'),
    role: 'operator',
    reason: 'none',
    fields: [
      {
        name: 'to',
        label: say(words, 'seekTo'),
        help: say(words, 'seekToHelp'),
        kind: 'text',
        initial: 'oldest',
        required: true,
      },
    ],
    plan: async (signal) => {
      const now = await ask(api.GET('/api/v1/events/groups/{group}', { params, signal }))
      const { offset = 0, end = 0 } = now
      return {
        consequences: [
          { kind: 'does', text: say(words, 'seekNow', { offset: count(offset), end: count(end) }) },
          { kind: 'does', text: say(words, 'seekDoes', { to: '…' }) },
        ],
      }
    },
    send: async ({ fields }) => {
      const body = { to: (fields['to'] ?? '').trim() }
      await ask(api.POST('/api/v1/events/groups/{group}/seek', { params, body }))
      const now = await ask(api.GET('/api/v1/events/groups/{group}', { params }))
      return { progress: doneAtOnce(say(words, 'sought', { offset: count(now.offset ?? 0) })) }
    },
  }
}
