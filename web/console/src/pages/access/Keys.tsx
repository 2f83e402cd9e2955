import { Group } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { say, useWords, type Say } from '@/i18n'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import { doneAtOnce } from '@/shared/actions/events.ts'
import type { Action } from '@/shared/actions/model.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { MayButton } from '@/shared/May.tsx'
import { When } from '@/shared/When.tsx'
import classes from './access.module.css'
import { NewKey } from './NewKey.tsx'
import { words } from './words.ts'

type Key = Schemas['Key']

/** keysKey is what the list of keys is remembered under. */
export const keysKey = ['keys'] as const

/** Keys lists the API keys, makes and revokes them. */
export function Keys() {
  const t = useWords(words)
  const client = useQueryClient()
  const [making, setMaking] = useState(false)
  const [action, setAction] = useState<Action>()
  const keys = useQuery({
    queryKey: keysKey,
    queryFn: ({ signal }) => ask(api.GET('/api/v1/keys', { signal })),
  })
  const columns = useMemo(() => columnsOf(t, (key) => setAction(revokeAction(key))), [t])
  return (
    <>
      <Group className={classes['bar']!} justify="flex-end">
        <MayButton role="admin" size="xs" onClick={() => setMaking(true)}>
          {t('make')}
        </MayButton>
      </Group>
      <DataTable
        label={t('keys')}
        rows={keys.data?.items ?? []}
        rowId={(key) => key.id ?? ''}
        columns={columns}
        loading={keys.isPending}
        error={keys.error}
        onRetry={() => void keys.refetch()}
        empty={<Empty title={t('keysNone')} text={t('keysNoneHelp')} />}
      />
      {making && <NewKey onClose={() => setMaking(false)} />}
      <ActionDialog
        action={action}
        onClose={() => {
          setAction(undefined)
          void client.invalidateQueries({ queryKey: keysKey })
        }}
      />
    </>
  )
}

type Word = keyof (typeof words)['en']

function columnsOf(t: Say<Word>, revoke: (key: Key) => void): readonly Column<Key>[] {
  return [
    { id: 'name', header: t('name'), width: 'minmax(150px, 1fr)', cell: (key) => <strong>{key.name}</strong> },
    {
      id: 'roles',
      header: t('roles'),
      width: 'minmax(110px, 170px)',
      cell: (key) => (key.roles ?? []).join(', '),
    },
    {
      id: 'restricted',
      header: t('restricted'),
      width: 'minmax(140px, 1fr)',
      cell: (key) => {
        const only = [...(key.applications ?? []), ...(key.groups ?? [])]
        return only.length > 0 ? only.join(', ') : <span className="dim">{t('everything')}</span>
      },
    },
    {
      id: 'created',
      header: t('created'),
      width: '200px',
      cell: (key) => (
        <>
          <When at={key.createdAt} />{' '}
          <span className="dim">{key.createdBy && t('by', { who: key.createdBy })}</span>
        </>
      ),
    },
    {
      id: 'used',
      header: t('used'),
      width: '130px',
      cell: (key) =>
        key.lastUsedAt ? <When at={key.lastUsedAt} /> : <span className="dim">{t('unused')}</span>,
    },
    {
      id: 'expires',
      header: t('expires'),
      width: '130px',
      cell: (key) => (key.expiresAt ? <When at={key.expiresAt} /> : <span className="dim">{t('never')}</span>),
    },
    {
      id: 'note',
      header: t('note'),
      width: 'minmax(100px, 1fr)',
      cell: (key) => <span title={key.note}>{key.note}</span>,
    },
    {
      id: 'revoke',
      header: '',
      width: '110px',
      cell: (key) => (
        <MayButton
          role="admin"
          size="compact-xs"
          variant="default"
          aria-label={`${t('revoke')} ${key.name}`}
          onClick={() => revoke(key)}
        >
          {t('revoke')}
        </MayButton>
      ),
    },
  ]
}

/** revokeAction takes a key away. */
export function revokeAction(key: Key): Action {
  const name = key.name ?? ''
  const path = { key: key.id ?? '' }
  return {
    title: say(words, 'revokeTitle', { name }),
    subject: key.id ?? '',
    text: say(words, 'revokeText'),
    verb: say(words, 'revoke'),
    role: 'admin',
    confirm: name,
    reason: 'none',
    plan: async (signal) => {
      await ask(api.GET('/api/v1/keys/{key}', { params: { path }, signal }))
      return {
        consequences: [
          { kind: 'does', text: say(words, 'revokeDoes', { name }) },
          { kind: 'does', text: say(words, 'revokeSignins') },
        ],
      }
    },
    send: async () => {
      await ask(api.DELETE('/api/v1/keys/{key}', { params: { path } }))
      return { progress: doneAtOnce(say(words, 'revoked')) }
    },
  }
}
