import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { say, useWords } from '@/i18n'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import { doneAtOnce } from '@/shared/actions/events.ts'
import type { Action } from '@/shared/actions/model.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { MayButton } from '@/shared/May.tsx'
import { When } from '@/shared/When.tsx'
import { words } from './words.ts'

type Signin = Schemas['SigninView']
const signinsKey = ['signins'] as const

/** Signins lists the browsers that are signed in, and ends their sessions. */
export function Signins() {
  const t = useWords(words)
  const client = useQueryClient()
  const [action, setAction] = useState<Action>()
  const all = useQuery({
    queryKey: signinsKey,
    queryFn: ({ signal }) => ask(api.GET('/api/v1/signins', { signal })),
    refetchInterval: 10_000,
  })
  const columns = useMemo<readonly Column<Signin>[]>(
    () => [
      { id: 'name', header: t('name'), width: 'minmax(140px, 1fr)', cell: (x) => <strong>{x.name}</strong> },
      { id: 'roles', header: t('roles'), width: '150px', cell: (x) => (x.roles ?? []).join(', ') },
      {
        id: 'address',
        header: t('address'),
        width: '150px',
        cell: (x) => <span className="mono">{x.address}</span>,
      },
      {
        id: 'browser',
        header: t('browser'),
        width: 'minmax(160px, 2fr)',
        cell: (x) => <span title={x.agent}>{x.agent}</span>,
      },
      { id: 'began', header: t('began'), width: '130px', cell: (x) => <When at={x.beganAt} /> },
      { id: 'seen', header: t('seen'), width: '130px', cell: (x) => <When at={x.seenAt} /> },
      { id: 'ends', header: t('ends'), width: '130px', cell: (x) => <When at={x.endsAt} /> },
      {
        id: 'end',
        header: '',
        width: '90px',
        cell: (x) => (
          <MayButton
            role="admin"
            size="compact-xs"
            variant="default"
            aria-label={`${t('end')} ${x.name}`}
            onClick={() => setAction(endAction(x))}
          >
            {t('end')}
          </MayButton>
        ),
      },
    ],
    [t],
  )
  return (
    <>
      <DataTable
        label={t('signins')}
        rows={all.data?.items ?? []}
        rowId={(x) => x.id ?? ''}
        columns={columns}
        loading={all.isPending}
        error={all.error}
        onRetry={() => void all.refetch()}
        empty={<Empty title={t('signinsNone')} />}
      />
      <ActionDialog
        action={action}
        onClose={() => {
          setAction(undefined)
          void client.invalidateQueries({ queryKey: signinsKey })
        }}
      />
    </>
  )
}

function endAction(signin: Signin): Action {
  return {
    title: say(words, 'endTitle', { name: signin.name ?? '' }),
    subject: signin.id ?? '',
    verb: say(words, 'end'),
    role: 'admin',
    reason: 'none',
    plan: () =>
      Promise.resolve({
        consequences: [{ kind: 'does', text: say(words, 'endDoes', { address: signin.address ?? '' }) }],
      }),
    send: async () => {
      await ask(api.DELETE('/api/v1/signins/{signin}', { params: { path: { signin: signin.id ?? '' } } }))
      return { progress: doneAtOnce(say(words, 'ended')) }
    },
  }
}
