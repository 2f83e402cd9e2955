import { api, ask, type Schemas } from '@/api/client.ts'
import { say } from '@/i18n'
import { doneAtOnce } from '@/shared/actions/events.ts'
import type { Action } from '@/shared/actions/model.ts'
import { words } from './words.ts'

/** changeAction gives a setting of the cluster another value, for an ActionDialog. */
export function changeAction(setting: Schemas['Setting']): Action {
  const name = setting.key ?? ''
  return {
    title: say(words, 'changeTitle', { key: name }),
    subject: name,
    text: setting.doc,
    verb: say(words, 'change'),
    role: 'admin',
    reason: 'none',
    fields: [
      {
        name: 'value',
        label: say(words, 'newValue'),
        help: say(words, 'newValueHelp', { own: setting.own ?? '' }),
        kind: 'text',
        initial: setting.value ?? '',
      },
    ],
    plan: async (signal) => {
      const all = await ask(api.GET('/api/v1/settings', { signal }))
      const now = all.items?.find((each) => each.key === name)?.value ?? ''
      return {
        consequences: [
          { kind: 'does', text: say(words, 'now', { value: now }) },
          { kind: 'does', text: say(words, 'does') },
        ],
      }
    },
    send: async ({ fields }) => {
      const body = { value: fields['value'] ?? '' }
      await ask(api.PUT('/api/v1/settings/{key}', { params: { path: { key: name } }, body }))
      return { progress: doneAtOnce(say(words, 'done')) }
    },
  }
}
