package lumbung.tests;

import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.id.IndonesianAnalyzer;
import org.elasticsearch.plugin.NamedComponent;
import org.elasticsearch.plugin.analysis.AnalyzerFactory;

/** Stand-in: the bare server of the tests lacks the analyzer `indonesian`, which the full server makes of this class. */
@NamedComponent("indonesian")
public class IndonesianAnalyzerFactory implements AnalyzerFactory {
    @Override
    public Analyzer create() {
        return new IndonesianAnalyzer();
    }
}
