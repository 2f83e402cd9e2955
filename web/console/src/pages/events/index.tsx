import { useWords } from '@/i18n'
import { Page } from '@/shared/Page.tsx'
import { Sections } from '@/shared/Sections.tsx'
import { Groups } from './Groups.tsx'
import { Letters } from './Letters.tsx'
import { Log } from './Log.tsx'
import { words } from './words.ts'

/** Events shows what is published, who reads it, and what could not be handled. */
export default function Events() {
  const t = useWords(words)
  return (
    <Page title={t('title')} text={t('intro')}>
      <Sections
        label={t('sections')}
        first="log"
        sections={[
          { id: 'log', name: t('log'), show: <Log /> },
          { id: 'groups', name: t('groups'), show: <Groups /> },
          { id: 'letters', name: t('letters'), show: <Letters /> },
        ]}
      />
    </Page>
  )
}
