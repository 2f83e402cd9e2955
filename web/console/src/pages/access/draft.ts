import type { Schemas } from '@/api/client.ts'

/** roles are those that a key may be given. */
export const roles = ['viewer', 'operator', 'resolver', 'service', 'admin'] as const

/** Draft is a key as it stands in the form. */
export interface Draft {
  readonly name: string
  readonly roles: readonly string[]
  /** Separated by commas. */
  readonly applications: string
  readonly groups: string
  /** Days until it expires; empty: never. */
  readonly days: string
  readonly note: string
  readonly reason: string
  readonly requestsPerSecond: number
  readonly beginsPerSecond: number
  readonly liveMax: number
}

function listed(text: string): string[] {
  return text.split(/[,，\s]+/).filter(Boolean)
}

/** requestOf returns what the API is asked for; what is not restricted is left out. */
export function requestOf(draft: Draft, now: number): Schemas['KeyRequest'] {
  const applications = listed(draft.applications)
  const groups = listed(draft.groups)
  const { requestsPerSecond, beginsPerSecond, liveMax } = draft
  return {
    name: draft.name.trim(),
    roles: roles.filter((role) => draft.roles.includes(role)),
    ...(applications.length > 0 ? { applications } : {}),
    ...(groups.length > 0 ? { groups } : {}),
    ...(requestsPerSecond || beginsPerSecond || liveMax
      ? { limits: { requestsPerSecond, beginsPerSecond, liveMax } }
      : {}),
    ...(draft.days ? { expiresAt: new Date(now + Number(draft.days) * 86_400_000).toISOString() } : {}),
    ...(draft.note.trim() ? { note: draft.note.trim() } : {}),
    ...(draft.reason.trim() ? { reason: draft.reason.trim() } : {}),
  }
}
