import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { When } from '@/shared/When.tsx'
import { words } from './words.ts'

type Session = Schemas['Session']

/** Sessions lists the connections of Seata clients. */
export function Sessions({ address }: { address: string }) {
  const t = useWords(words)
  const sessions = useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/sessions', { signal })),
    refetchInterval: 3000,
  })
  const columns = useMemo<readonly Column<Session>[]>(
    () => [
      {
        id: 'client',
        header: t('client'),
        width: 'minmax(220px, 2fr)',
        cell: (s) => <span className="mono">{s.client}</span>,
      },
      { id: 'application', header: t('application'), width: 'minmax(120px, 1fr)', cell: (s) => s.application },
      { id: 'group', header: t('group'), width: 'minmax(120px, 1fr)', cell: (s) => s.group },
      { id: 'roles', header: t('roles'), width: '90px', cell: (s) => (s.roles ?? []).join(', ') },
      { id: 'version', header: t('version'), width: '90px', cell: (s) => s.version },
      { id: 'codec', header: t('codec'), width: '100px', cell: (s) => s.codec },
      {
        id: 'resource',
        header: t('resource'),
        width: 'minmax(160px, 2fr)',
        cell: (s) => (
          <span className="mono" title={(s.resources ?? []).join('\n')}>
            {(s.resources ?? []).join(', ')}
          </span>
        ),
      },
      { id: 'requests', header: t('requests'), width: '90px', align: 'right', cell: (s) => s.requests ?? 0 },
      { id: 'commands', header: t('commands'), width: '100px', align: 'right', cell: (s) => s.commands ?? 0 },
      { id: 'connected', header: t('connected'), width: '130px', cell: (s) => <When at={s.connectedAt} /> },
    ],
    [t],
  )
  return (
    <DataTable
      label={t('sessions')}
      rows={sessions.data?.items ?? []}
      rowId={(session) => `${session.client} ${session.connectedAt}`}
      columns={columns}
      loading={sessions.isPending}
      error={sessions.error}
      onRetry={() => void sessions.refetch()}
      empty={<Empty title={t('sessionsNone')} text={t('sessionsNoneHelp', { address })} />}
    />
  )
}
