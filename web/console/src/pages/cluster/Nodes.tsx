import { useMemo } from 'react'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import classes from './cluster.module.css'
import { words } from './words.ts'

type Node = Schemas['Node']

const tones = { alive: 'good', draining: 'warn', gone: 'idle' } as const

/** Nodes lists the members, with what can be done to them. */
export function Nodes({ nodes }: { nodes: readonly Node[] }) {
  const t = useWords(words)
  const columns = useMemo<readonly Column<Node>[]>(
    () => [
      {
        id: 'node',
        header: t('node'),
        width: 'minmax(200px, 2fr)',
        cell: (node) => (
          <>
            <span className="mono">{node.id}</span> {node.self && <span className="dim">({t('answers')})</span>}
          </>
        ),
      },
      {
        id: 'state',
        header: t('state'),
        width: '120px',
        cell: (node) => <Mark tone={tones[node.state ?? 'gone']} text={t(node.state ?? 'gone')} />,
      },
      { id: 'epoch', header: t('epoch'), width: '80px', align: 'right', cell: (node) => node.epoch ?? 0 },
      {
        id: 'address',
        header: t('address'),
        width: 'minmax(150px, 1fr)',
        cell: (node) => mono(node.advertise),
      },
      {
        id: 'internal',
        header: t('internal'),
        width: 'minmax(150px, 1fr)',
        cell: (node) => mono(node.internal),
      },
      { id: 'version', header: t('version'), width: '110px', cell: (node) => node.version },
      { id: 'joined', header: t('joined'), width: '130px', cell: (node) => <When at={node.joinedAt} /> },
      { id: 'lease', header: t('lease'), width: '120px', cell: (node) => <When at={node.leaseUntil} /> },
    ],
    [t],
  )
  return (
    <>
      <DataTable label={t('nodes')} rows={nodes} rowId={(node) => node.id ?? ''} columns={columns} />
      {nodes.length === 1 && <p className={classes['note']}>{t('alone')}</p>}
    </>
  )
}

function mono(text: string | undefined) {
  return text ? <span className="mono">{text}</span> : <span className="dim">–</span>
}
