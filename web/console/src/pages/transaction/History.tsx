import { Button, Group, TextInput } from '@mantine/core'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { absolute } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { download } from '@/shared/JsonView.tsx'
import { length, since } from '@/shared/timeline/since.ts'
import { numberOf } from '@/shared/Xid.tsx'
import { useHistory } from './data.ts'
import { matching } from './history.ts'
import { words } from './words.ts'

interface Row {
  readonly n: number
  readonly entry: Schemas['HistoryEntry']
}

/** HistoryTab shows the history as it is stored. */
export function HistoryTab({ xid, detail }: { xid: string; detail: Schemas['TransactionDetail'] }) {
  const t = useWords(words)
  const history = useHistory(xid)
  const [params, setParams] = useSearchParams()
  const text = params.get('find') ?? ''
  const origin = Date.parse(detail.beganAt ?? '')
  const all = history.data?.items
  const rows = useMemo(() => matching(all ?? [], text), [all, text])
  const columns = useMemo(
    (): Column<Row>[] => [
      { id: 'n', header: '#', width: '64px', align: 'right', cell: ({ n }) => n },
      { id: 'at', header: t('at'), width: '235px', cell: ({ entry }) => absolute(entry.at ?? 0) },
      {
        id: 'since',
        header: '+',
        width: '110px',
        align: 'right',
        cell: ({ entry }) => since(Date.parse(entry.at ?? '') - origin),
      },
      {
        id: 'event',
        header: t('event'),
        width: '160px',
        cell: ({ entry }) => <span className="mono">{entry.event}</span>,
      },
      {
        id: 'branch',
        header: t('branch'),
        width: '180px',
        cell: ({ entry }) => <span className="mono">{entry.branch}</span>,
      },
      {
        id: 'attempt',
        header: t('attempt'),
        width: '80px',
        align: 'right',
        cell: ({ entry }) => entry.attempt ?? '',
      },
      {
        id: 'took',
        header: t('tookMs'),
        width: '90px',
        align: 'right',
        cell: ({ entry }) => (entry.tookMs === undefined ? '' : length(entry.tookMs)),
      },
      {
        id: 'text',
        header: t('text'),
        width: 'minmax(200px, 3fr)',
        cell: ({ entry }) => (
          <span className="mono" title={entry.text}>
            {entry.text}
          </span>
        ),
      },
    ],
    [t, origin],
  )
  const find = (value: string) =>
    setParams(
      (was) => {
        const next = new URLSearchParams(was)
        if (value) next.set('find', value)
        else next.delete('find')
        return next
      },
      { replace: true },
    )
  return (
    <>
      <Group p="sm" gap="sm">
        <TextInput
          data-search
          size="xs"
          w={320}
          maw="100%"
          placeholder={t('historyFilter')}
          aria-label={t('historyFilter')}
          value={text}
          onChange={(event) => find(event.currentTarget.value)}
        />
        <Button
          size="xs"
          variant="default"
          disabled={!all}
          onClick={() => download(`${numberOf(xid)}-history.json`, JSON.stringify(all, null, 2))}
        >
          {t('historyDownload')}
        </Button>
      </Group>
      <DataTable
        label={t('tabHistory')}
        rows={rows}
        rowId={(row) => String(row.n)}
        columns={columns}
        loading={history.isPending}
        error={history.error}
        onRetry={() => void history.refetch()}
        height="480px"
        empty={<Empty title={t('historyNone')} />}
      />
    </>
  )
}
