import type { Schemas } from '@/api/client.ts'
import { say } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { numberOf } from '@/shared/Xid.tsx'
import { words } from './words.ts'

export const kinds = ['transaction', 'approval', 'wait', 'letter', 'half'] as const
export type Kind = (typeof kinds)[number]

/** Item is something that needs a person. */
export interface Item {
  readonly kind: Kind
  /** What names it: the xid, the id, the place. */
  readonly id: string
  /** Since when it waits. */
  readonly at: string
  readonly what: string
  readonly why: string
  readonly application: string
  readonly xid?: string
  readonly saga?: string
  /** Items with the same text here can be put right in the same way. */
  readonly alike: string
}

export type Claim = Schemas['InboxClaim']

/** nameOf is what an item is called in the address and in claims. */
export function nameOf(item: Pick<Item, 'kind' | 'id'>): string {
  return `${item.kind}:${item.id}`
}

/** splitName reads a name; a bare id is one of the kind that the list shows. */
export function splitName(name: string, kind?: Kind): Pick<Item, 'kind' | 'id'> | undefined {
  const at = name.indexOf(':')
  const found = kinds.find((one) => one === name.slice(0, at))
  if (found && at < name.length - 1) return { kind: found, id: name.slice(at + 1) }
  return kind && name ? { kind, id: name } : undefined
}

export function transactionItem(tx: Schemas['Transaction']): Item {
  const why = say(words, tx.stuckReason ?? 'needsPerson')
  return {
    kind: 'transaction',
    id: tx.xid ?? '',
    at: tx.decidedAt ?? tx.beganAt ?? '',
    what: tx.name || tx.saga || tx.xid || '',
    why,
    application: tx.application ?? '',
    xid: tx.xid ?? '',
    ...(tx.saga ? { saga: tx.saga } : {}),
    alike: ['transaction', tx.application, tx.saga ?? tx.name, tx.status, tx.stuckReason].join('\n'),
  }
}

export function approvalItem(a: Schemas['Approval']): Item {
  const about = a.xid ? numberOf(a.xid) : (a.job ?? (a.letter ? `${a.group} / ${a.letter}` : a.group))
  return {
    kind: 'approval',
    id: a.id ?? '',
    at: a.askedAt ?? '',
    what: `${say(words, a.action ?? 'skip')} · ${about ?? ''}`,
    why: say(words, 'asks', { who: a.asker ?? '', why: a.reason ?? '' }),
    application: '',
    ...(a.xid ? { xid: a.xid } : {}),
    alike: `approval\n${a.action}`,
  }
}

export function waitItem(w: Schemas['InboxWait']): Item {
  return {
    kind: 'wait',
    id: `${w.xid}/${w.step}`,
    at: w.since ?? '',
    what: w.saga ?? '',
    why: w.prompt || say(words, 'waitsFor', { step: w.step ?? '' }),
    application: w.application ?? '',
    xid: w.xid ?? '',
    saga: w.saga ?? '',
    alike: `wait\n${w.saga}\n${w.step}`,
  }
}

export function letterItem(group: string, letter: Schemas['EventLetter']): Item {
  return {
    kind: 'letter',
    id: `${group}/${letter.id ?? ''}`,
    at: letter.failedAt ?? letter.at ?? '',
    what: `${group} · ${letter.topic ?? ''}`,
    why: letter.reason || say(words, 'letterFailed', { n: count(letter.attempts ?? 0) }),
    application: '',
    alike: `letter\n${group}\n${letter.reason ?? ''}`,
  }
}

/** Milliseconds after which decisions that are not read back are worth a look. */
const pendingLate = 30_000

export function halfItems(halves: Schemas['Halves']): Item[] {
  const items = (halves.givenUp ?? []).map<Item>((half) => ({
    kind: 'half',
    id: `${half.broker}/${half.queue}/${half.offset}`,
    at: half.storedAt ?? '',
    what: half.pack ?? '',
    why: say(words, 'halfGivenUp', { n: count(half.checks ?? 0) }),
    application: '',
    alike: 'half',
  }))
  if ((halves.pending ?? 0) > 0 && (halves.ageMs ?? 0) > pendingLate) {
    items.push({
      kind: 'half',
      id: 'pending',
      at: halves.oldestAt ?? '',
      what: say(words, 'halfPending', { n: count(halves.pending ?? 0) }),
      why: say(words, 'needsPerson'),
      application: '',
      alike: 'pending',
    })
  }
  return items
}

/** letterOf takes the id of an item apart; neither part has a slash, and groups have none. */
export function letterOf(id: string): { group: string; letter: string } {
  const at = id.indexOf('/')
  return { group: id.slice(0, at), letter: id.slice(at + 1) }
}

/** waitOf takes the id of an item apart. */
export function waitOf(id: string): { xid: string; step: string } {
  const at = id.indexOf('/')
  return { xid: id.slice(0, at), step: id.slice(at + 1) }
}

export interface Wanted {
  readonly kind?: Kind | undefined
  readonly text: string
  readonly owner: '' | 'mine' | 'nobody'
  readonly newest: boolean
}

/** chosen returns the items that are wanted, in their order. */
export function chosen(
  items: readonly Item[],
  claims: ReadonlyMap<string, Claim>,
  wanted: Wanted,
): readonly Item[] {
  const text = wanted.text.trim().toLowerCase()
  const found = items.filter((item) => {
    if (wanted.kind && item.kind !== wanted.kind) return false
    const claim = claims.get(nameOf(item))
    if (wanted.owner === 'mine' && !claim?.own) return false
    if (wanted.owner === 'nobody' && claim) return false
    return !text || `${item.id}\n${item.what}\n${item.why}\n${item.application}`.toLowerCase().includes(text)
  })
  const sign = wanted.newest ? -1 : 1
  return found.sort((a, b) => sign * (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1))
}

/** counted says how many there are of each kind. */
export function counted(items: readonly Item[]): Record<Kind, number> {
  const n = { transaction: 0, approval: 0, wait: 0, letter: 0, half: 0 }
  for (const item of items) n[item.kind]++
  return n
}

/** kindOfAll is the kind of all that are selected; undefined if they are of several. */
export function kindOfAll(items: readonly Item[]): Kind | undefined {
  const first = items[0]?.kind
  return items.every((item) => item.kind === first) ? first : undefined
}
