import { api, ask } from '@/api/client.ts'
import { say } from '@/i18n'
import { doneAtOnce } from '@/shared/actions/events.ts'
import type { Action, Progress } from '@/shared/actions/model.ts'
import { words } from './words.ts'

/** drainAction has a node take no new work, or take it again, for an ActionDialog. */
export function drainAction(node: string, drain: boolean): Action {
  const word = drain ? 'drain' : 'undrain'
  return {
    title: say(words, `${word}Title`, { node }),
    subject: node,
    verb: say(words, word),
    role: 'admin',
    confirm: drain ? node : undefined,
    reason: 'required',
    plan: async (signal) => {
      const sessions = (await ask(api.GET('/api/v1/cluster', { signal }))).clients ?? 0
      return {
        consequences: drain
          ? [
              { kind: 'does', text: say(words, 'drainDoes') },
              { kind: 'does', text: say(words, 'drainClients', { n: sessions }) },
              { kind: 'warns', text: say(words, 'drainWarns') },
            ]
          : [{ kind: 'does', text: say(words, 'undrainDoes') }],
      }
    },
    send: async ({ reason }) => {
      const params = { path: { node } }
      await ask(api.POST('/api/v1/nodes/{node}/drain', { params, body: { drain, reason } }))
      return {
        progress: doneAtOnce(say(words, drain ? 'drainSent' : 'undrainSent')),
        follow: following(node, drain),
      }
    },
  }
}

/** following watches the node until it says that it is drained, or takes work again. */
function following(node: string, drain: boolean) {
  return (tell: (progress: Progress) => void) => {
    const wanted = drain ? 'draining' : 'alive'
    const look = async () => {
      const cluster = await ask(api.GET('/api/v1/cluster', {})).catch(() => undefined)
      const state = cluster?.nodes?.find((each) => each.id === node)?.state
      if (state === wanted) tell(doneAtOnce(say(words, drain ? 'drained' : 'undrained')))
    }
    const timer = setInterval(() => void look(), 1000)
    return () => clearInterval(timer)
  }
}
