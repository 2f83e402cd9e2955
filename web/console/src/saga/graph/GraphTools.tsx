import { ActionIcon, Tooltip } from '@mantine/core'
import type { ReactNode } from 'react'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import classes from './SagaGraph.module.css'
import { words } from './words.ts'

const graphIcon = 'M5.5 2h5v4h-5zM2 10h4.5v4H2zM9.5 10H14v4H9.5zM8 6v2M4.2 10V8h7.6v2'
const listIcon = 'M6 4h8M6 8h8M6 12h8M2 4h1M2 8h1M2 12h1'

interface GraphToolsProps {
  list: boolean
  onList: () => void
  onTurn: () => void
  onFit: () => void
  onZoom: (by: number) => void
  children?: ReactNode
}

/** GraphTools are the buttons at the upper right corner of a graph. */
export function GraphTools({ list, onList, onTurn, onFit, onZoom, children }: GraphToolsProps) {
  const t = useWords(words)
  return (
    <div className={classes['tools']} role="group" aria-label={t('graph')}>
      {children}
      {!list && (
        <>
          <Tool text={t('zoomOut')} icon="M3 8h10" act={() => onZoom(-1)} />
          <Tool text={t('zoomIn')} icon="M3 8h10M8 3v10" act={() => onZoom(1)} />
          <Tool text={t('fit')} icon="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4" act={onFit} />
          <Tool text={t('turn')} icon="M4 2v9M1.5 8.5L4 11l2.5-2.5M6 13.5h8M11.5 11l2.5 2.5" act={onTurn} />
        </>
      )}
      <Tool text={t(list ? 'asGraph' : 'asList')} act={onList} icon={list ? graphIcon : listIcon} />
    </div>
  )
}

function Tool({ text, icon, act }: { text: string; icon: string; act: () => void }) {
  return (
    <Tooltip label={text}>
      <ActionIcon variant="default" size="sm" aria-label={text} onClick={act}>
        <Icon path={icon} size={13} />
      </ActionIcon>
    </Tooltip>
  )
}
