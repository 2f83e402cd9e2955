import { Group } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { Link } from 'react-router'
import { api, ask, Refused, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { ActionDialog } from '@/shared/ActionDialog.tsx'
import { groupAction } from '@/shared/actions/events.ts'
import type { Action } from '@/shared/actions/model.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { MayButton } from '@/shared/May.tsx'
import { seekAction } from './seek.ts'
import { words } from './words.ts'

type EventGroup = Schemas['EventGroup']

const key = ['events', 'groups'] as const

/** Groups lists who reads, and how far behind each is. */
export function Groups() {
  const t = useWords(words)
  const client = useQueryClient()
  const [action, setAction] = useState<Action>()
  const groups = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => ask(api.GET('/api/v1/events/groups', { signal })),
    refetchInterval: 3000,
  })
  const columns = useMemo<readonly Column<EventGroup>[]>(
    () => [
      {
        id: 'group',
        header: t('group'),
        width: 'minmax(180px, 1fr)',
        cell: (g) => <Link to={`/events?tab=letters&group=${encodeURIComponent(g.name ?? '')}`}>{g.name}</Link>,
      },
      {
        id: 'topic',
        header: t('topic'),
        width: 'minmax(180px, 2fr)',
        cell: (g) => <span className="mono">{g.topics?.length ? g.topics.join(', ') : t('allDecisions')}</span>,
      },
      { id: 'place', header: t('place'), width: '130px', align: 'right', cell: (g) => count(g.offset ?? 0) },
      {
        id: 'lag',
        header: t('lag'),
        width: '120px',
        align: 'right',
        cell: (g) => count(Math.max(0, (g.end ?? 0) - (g.offset ?? 0))),
      },
      {
        id: 'inFlight',
        header: t('inFlight'),
        width: '120px',
        align: 'right',
        cell: (g) => count(g.inFlight ?? 0),
      },
      {
        id: 'actions',
        header: '',
        width: '170px',
        cell: (g) => (
          <Group gap={6} wrap="nowrap">
            <MayButton
              role="operator"
              size="compact-xs"
              variant="default"
              aria-label={`${t('seek')} ${g.name}`}
              onClick={() => setAction(seekAction(g.name ?? ''))}
            >
              {t('seek')}
            </MayButton>
            <MayButton
              role="resolver"
              size="compact-xs"
              variant="default"
              aria-label={`${t('remove')} ${g.name}`}
              onClick={() => setAction(groupAction(g.name ?? ''))}
            >
              {t('remove')}
            </MayButton>
          </Group>
        ),
      },
    ],
    [t],
  )
  if (groups.error instanceof Refused && groups.error.code === 'eventsElsewhere') {
    return <Empty title={t('groupsElsewhere')} text={t('groupsElsewhereHelp')} />
  }
  return (
    <>
      <DataTable
        label={t('groups')}
        rows={groups.data?.items ?? []}
        rowId={(g) => g.name ?? ''}
        columns={columns}
        loading={groups.isPending}
        error={groups.error}
        onRetry={() => void groups.refetch()}
        empty={<Empty title={t('groupsNone')} text={t('groupsNoneHelp')} />}
      />
      <ActionDialog
        action={action}
        onClose={() => {
          setAction(undefined)
          void client.invalidateQueries({ queryKey: key })
        }}
      />
    </>
  )
}
