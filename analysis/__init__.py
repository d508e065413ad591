"""What finished runs show: tables and figures, made from run directories alone."""
